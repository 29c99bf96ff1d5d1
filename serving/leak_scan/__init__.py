"""What the privacy promises rest on: the values that must not show, and the search for them."""
