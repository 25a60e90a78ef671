"""How good the detector is: invented companies of many shapes, some to fit on and some held back, and a judge."""
