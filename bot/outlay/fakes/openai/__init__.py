"""A stand-in for OpenAI's organization API."""
