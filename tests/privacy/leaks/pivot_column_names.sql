-- A pivot's columns are named by people.
-- caught_by: proof
-- says: cannot be followed

select 1 as k, *
from (pivot {{ ref('dim_customers') }} on full_name using count(*))
