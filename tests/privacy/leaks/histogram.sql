-- A histogram's keys are the values.
-- caught_by: proof
-- says: shows shop.customers.email

select histogram(email) as k
from {{ ref('dim_customers') }}
