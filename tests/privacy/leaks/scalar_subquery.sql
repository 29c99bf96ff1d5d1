-- A scalar subquery brings the value.
-- caught_by: proof
-- says: shows shop.customers.email

select (select max(email) from {{ ref('dim_customers') }}) as k
from {{ ref('fct_orders') }}
