-- The public value of the person who is last in the alphabet.
-- caught_by: proof
-- says: shows shop.customers.full_name

select arg_max(country, full_name) as k
from {{ ref('dim_customers') }}
