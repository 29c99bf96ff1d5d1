-- Columns become rows.
-- caught_by: proof
-- says: shows shop.customers.email

select field as k, content
from (unpivot (select email, country from {{ ref('dim_customers') }}) on email, country into name field value content)
