# tests/groups/module.cmake: weir_groups: the group coordinator above a log in memory (README.md).
#
# The coordinator's own files are compiled once more: linking the broker would bring its host along.
file(GLOB groups_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/groups/*.c)
file(GLOB groups_tested CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/broker/groups/*.c)
file(GLOB groups_config CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/broker/config*.c)
set(groups_used group_config topic_config image metrics)
list(TRANSFORM groups_used PREPEND ${CMAKE_SOURCE_DIR}/broker/)
list(TRANSFORM groups_used APPEND .c)
add_executable(weir_groups ${groups_tests} ${groups_tested} ${groups_config} ${groups_used})
target_include_directories(weir_groups PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(weir_groups PRIVATE weir_harness weir_protocol weir_base PkgConfig::PCRE2)
