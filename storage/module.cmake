# weir_storage: logs on disk. Of the protocol it knows record batches and their compression only.
weir_module(storage weir_protocol weir_base)
