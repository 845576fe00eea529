# tests/bench/module.cmake: weir_group_load, the load behind `tools/dev bench groups`.
add_executable(weir_group_load ${CMAKE_SOURCE_DIR}/tests/bench/group_load.c ${CMAKE_SOURCE_DIR}/tests/bench/load_link.c)
target_include_directories(weir_group_load PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(weir_group_load PRIVATE weir_protocol weir_base)
