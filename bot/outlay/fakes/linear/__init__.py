"""A stand-in for Linear's GraphQL API."""
