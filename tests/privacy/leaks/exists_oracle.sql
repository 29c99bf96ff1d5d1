-- Whether a person is there is told by a flag.
-- caught_by: proof
-- says: uses personal columns indirectly

select order_id as k, exists(select 1 from {{ ref('dim_customers') }} as c where c.email like 'ana%') as is_here
from {{ ref('fct_orders') }}
