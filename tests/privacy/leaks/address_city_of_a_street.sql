-- A mask for cities is given a street: it lets pass what has no digits.
-- caught_by: scan
-- shows: Canary Wharf Lane

select customer_id is null as k, {{ address_city("regexp_replace(street, '[0-9]+ ', '')") }} as city
from {{ ref('dim_customers') }}
