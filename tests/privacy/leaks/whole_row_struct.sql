-- A whole row is a struct, of which one field is read.
-- caught_by: proof
-- says: shows shop.customers.email

select row_of.email as k
from (select c as row_of from {{ ref('dim_customers') }} as c)
