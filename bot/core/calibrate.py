"""What list prices say of a day, held to what the last bill said: their ratio scales the days that no bill has reached.

A ratio is a whole number of millionths, so that all of this is arithmetic of integers and an audit finds the same.
"""

ONE = 1_000_000  # millionths
LEAST, MOST = 200_000, 5_000_000  # beyond these the two are not about the same, and no ratio is believed
DAYS = 7  # for so long after its day a bill says something about prices


def ratio(billed_nano_usd: int, computed_nano_usd: int) -> int | None:
    """The bill for each computed dollar, in millionths; None where one of them is nothing, or it is beyond belief."""
    if billed_nano_usd <= 0 or computed_nano_usd <= 0:
        return None
    found = (billed_nano_usd * ONE + computed_nano_usd // 2) // computed_nano_usd
    return found if LEAST <= found <= MOST else None
