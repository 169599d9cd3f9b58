"""Webhooks: tells subscribers what happens to runs.

announcing  what is new in a state, said on the queue `webhooks` before the state is written
telling     what becomes of it: spread to all who want to know, sent, sent again, put aside
"""
