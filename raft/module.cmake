# raft/module.cmake: consensus as a function; stands on base alone.
weir_module(raft weir_base)
