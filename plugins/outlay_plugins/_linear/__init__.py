"""Helper package of the Linear sink: settings, authentication, GraphQL transport, queries and issue text."""
