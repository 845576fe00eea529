# weir_broker: cores, connections, handlers, partitions, metadata. dispatch.c has a row per handlers/<api>.c.
weir_module(broker weir_storage weir_protocol weir_base)
weir_dispatch(weir_broker)
