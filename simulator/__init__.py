"""The tester's charge point: a faithful OCPP 1.6-J station that scripts may override anywhere."""
