-- The code of the first letter.
-- caught_by: proof
-- says: shows shop.customers.full_name

select country as k, ascii(full_name) as code
from {{ ref('dim_customers') }}
