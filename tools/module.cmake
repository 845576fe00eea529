# weir: the one program: broker and command line. weir_tools is all of it but main(), so that tests can link it.
set(WEIR_VERSION 0.1.0)
weir_module(tools weir_broker weir_storage weir_protocol_json weir_protocol weir_base)
get_target_property(sources weir_tools SOURCES)
list(FILTER sources EXCLUDE REGEX "tools/main\\.c$")
set_target_properties(weir_tools PROPERTIES SOURCES "${sources}")
target_compile_definitions(weir_tools PRIVATE WEIR_VERSION="${WEIR_VERSION}")
add_executable(weir tools/main.c)
target_link_libraries(weir PRIVATE weir_tools)
