"""The database: engine, bulk writes, and the tables that every domain shares."""
