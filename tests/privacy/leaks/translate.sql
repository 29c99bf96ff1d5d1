-- A cipher.
-- caught_by: proof
-- says: shows shop.customers.email

select translate(email, 'abc', 'bca') as k
from {{ ref('dim_customers') }}
