"""What is made for the product before it runs."""

from azure.batch.models import BatchPoolCreateOptions

from localcloud.provision import pool_body


def test_the_pool_has_its_nodes_and_takes_one_worker_on_each():
    pool = BatchPoolCreateOptions(pool_body("local", nodes=3))
    assert (pool.id, pool.target_dedicated_nodes, pool.task_slots_per_node) == ("local", 3, 1)
    assert pool.virtual_machine_configuration.node_agent_sku_id == "batch.node.ubuntu 22.04"
