-- A ticket's text as it is.
-- caught_by: proof
-- says: shows helpdesk.tickets.body

select ticket_id as k, lower(body) as body
from {{ ref('fct_tickets') }}
