-- A function over COLUMNS.
-- caught_by: proof
-- says: shows shop.customers.phone

select upper(cast(columns(* exclude (birth_date, marketing_opt_in)) as varchar))
from {{ ref('dim_customers') }}
