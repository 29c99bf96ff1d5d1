-- Another spelling of the same bytes.
-- caught_by: proof
-- says: shows shop.customers.email

select base64(encode(email)) as k
from {{ ref('dim_customers') }}
