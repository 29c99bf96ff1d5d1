-- A cast to another type and back.
-- caught_by: proof
-- says: shows shop.customers.phone

select try_cast(regexp_replace(phone, '\D', '', 'g') as hugeint) as k
from {{ ref('dim_customers') }}
