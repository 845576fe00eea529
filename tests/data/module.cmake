# tests/data/module.cmake: weir_data: the data path of the broker above a log in memory (README.md).
#
# The broker's own files are compiled once more: linking its library would bring the real log along.
file(GLOB data_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/data/*.c)
set(data_tested append fetch_part fetch_session fetch_wait partition partition_doubles request
    handlers/fetch handlers/list_offsets handlers/offset_for_leader_epoch handlers/produce
    config config_value config_sources config_view topic_config image)
list(TRANSFORM data_tested PREPEND ${CMAKE_SOURCE_DIR}/broker/)
list(TRANSFORM data_tested APPEND .c)
add_executable(weir_data ${data_tests} ${data_tested} ${CMAKE_SOURCE_DIR}/storage/producers.c)
target_include_directories(weir_data PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(weir_data PRIVATE weir_harness weir_protocol weir_base)
target_sources(weir_data PRIVATE ${schema_out}/schema/dispatch.h) # made for the broker
