-- USING shows the column of the other side.
-- caught_by: proof
-- says: shows shop.customers.email

select k
from (select country as k from {{ ref('dim_customers') }})
full join (select email as k from {{ ref('dim_customers') }}) using (k)
