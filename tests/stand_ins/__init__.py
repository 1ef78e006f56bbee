"""Foreign Central Systems of our own: right OCPP behind the command APIs of other products.

They are written from what is known of those products, not from the files under `suts/`.
"""
