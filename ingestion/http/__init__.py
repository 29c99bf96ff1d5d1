"""Asks HTTP APIs that throttle, break and lie, and says so when they cannot be believed.

RESTClient (dlt) -> ApiSession: which hosts, which credentials
                 -> PatientAdapter: breaker, rate limit, retries, bounded body, JSON
                 -> Listing: pages that add up, or an error
"""
