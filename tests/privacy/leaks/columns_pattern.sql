-- COLUMNS takes what matches a pattern.
-- caught_by: proof
-- says: shows shop.customers.email

select columns('^em.*')
from (select email, country from {{ ref('dim_customers') }})
