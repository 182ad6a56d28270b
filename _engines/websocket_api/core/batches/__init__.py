"""Batches: many requests to many minions, tracked as one, stored, and taken over when their master is gone."""
