"""Who answers for which key."""
