"""What clients can ask for, whatever the door: one function and one schema per operation."""
