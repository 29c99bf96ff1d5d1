"""The one person who exists at every scale, so that a leak of personal data can be looked for."""

CUSTOMER_ID = 1
FULL_NAME = "Canary Quillfeather"
EMAIL = "canary.quillfeather@example.com"
PHONE = "+1 202 555 0142"
STREET = "77 Canary Wharf Lane"
POSTCODE = "20001"
TICKET_ID = 1
TICKET_SUBJECT = "Kettle arrived with a dent"
TICKET_BODY = (
    "The blue kettle that came on Tuesday has a dent beside the spout and drips when I pour. "
    f"Please send a replacement. You can write to {EMAIL} or call {PHONE} in the morning.\n\n"
    f"Thanks, {FULL_NAME}"
)
VALUES = (FULL_NAME, EMAIL, PHONE, STREET)
