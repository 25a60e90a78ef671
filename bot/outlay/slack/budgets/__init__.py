"""Limits that tell: how each stands, and a form to set one."""
