-- Names in other letter case and quotes.
-- caught_by: proof
-- says: shows shop.customers.email

select "EMAIL" as k
from "warehouse"."Marts"."DIM_Customers"
-- depends on {{ ref('dim_customers') }}
