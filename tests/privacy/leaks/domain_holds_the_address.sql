-- A mask for domains is given the address as a domain.
-- caught_by: scan
-- shows: canary.quillfeather.at.example.com

select country as k, {{ email_domain("'x@' || replace(email, '@', '.at.')") }} as domain
from {{ ref('dim_customers') }}
