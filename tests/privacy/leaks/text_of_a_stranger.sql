-- The text names a person whom no column of the row knows.
-- caught_by: scan
-- shows: Greta Agentsdottir

select ticket_id as k, {{ redact('conversation', {'name': ['customer_name']}) }} as text
from {{ ref('fct_tickets') }}
