-- COLUMNS takes what a lambda chooses.
-- caught_by: proof
-- says: shows shop.customers.email

select columns(c -> c like 'em%')
from (select email, country from {{ ref('dim_customers') }})
