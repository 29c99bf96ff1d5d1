-- Backwards, called like a method of the column.
-- caught_by: proof
-- says: shows shop.customers.email

select email.reverse() as k
from {{ ref('dim_customers') }}
