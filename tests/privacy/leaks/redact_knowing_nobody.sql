-- A text is redacted without the names of the people in it.
-- caught_by: scan
-- shows: CANARY QUILLFEATHER

select ticket_id as k, {{ redact('subject') }} as subject
from {{ ref('fct_tickets') }}
