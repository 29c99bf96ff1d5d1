-- Another spelling of the same bytes.
-- caught_by: proof
-- says: shows shop.customers.phone

select hex(phone) as k
from {{ ref('dim_customers') }}
