-- The value is the beginning of a reduction.
-- caught_by: proof
-- says: shows shop.customers.phone

select list_reduce(['a', 'b'], lambda whole, part: whole || part, phone) as k
from {{ ref('dim_customers') }}
