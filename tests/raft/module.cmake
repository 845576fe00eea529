# tests/raft/module.cmake: the Raft core above logs in memory (README.md).
#
#   weir_raft_host        the library: one replica with its log, disk and tickets in memory (host_*.c)
#   weir_raft_check       the library: what must never happen (check_*.c)
#   weir_raft_sim         clusters by seed: world_*.c, sim_main.c
#   weir_raft_scenarios   the scenarios of scenarios/*.txt: scenario_*.c
#   weir_raft_single      the library: one replica alone with a test (single*.c)
#   weir_raft_bench       what a step costs: bench.c
foreach(part host world check scenario)
  file(GLOB raft_${part} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/raft/${part}_*.c)
endforeach()
if(raft_scenario)
  add_executable(weir_raft_scenarios ${raft_scenario})
  target_link_libraries(weir_raft_scenarios PRIVATE weir_raft weir_base)
endif()
if(raft_check)
  add_library(weir_raft_check STATIC ${raft_check})
  target_link_libraries(weir_raft_check PUBLIC weir_raft weir_base)
endif()
if(raft_host)
  add_library(weir_raft_host STATIC ${raft_host})
  target_link_libraries(weir_raft_host PUBLIC weir_raft weir_base)
  if(raft_world AND EXISTS ${CMAKE_SOURCE_DIR}/tests/raft/sim_main.c)
    add_executable(weir_raft_sim ${raft_world} ${CMAKE_SOURCE_DIR}/tests/raft/sim_main.c)
    target_link_libraries(weir_raft_sim PRIVATE weir_raft_host weir_raft_check)
  endif()
endif()
add_library(weir_raft_single STATIC ${CMAKE_SOURCE_DIR}/tests/raft/single.c
            ${CMAKE_SOURCE_DIR}/tests/raft/single_chaos.c ${CMAKE_SOURCE_DIR}/tests/raft/single_log.c)
target_link_libraries(weir_raft_single PUBLIC weir_raft weir_base)
add_executable(weir_raft_bench ${CMAKE_SOURCE_DIR}/tests/raft/bench.c)
target_link_libraries(weir_raft_bench PRIVATE weir_raft_single)
target_link_options(weir_raft_bench PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
