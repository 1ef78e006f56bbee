"""A Central System (CSMS) for OCPP 1.6-J."""
