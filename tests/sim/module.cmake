# tests/sim/module.cmake: the simulated world, and weir_sim: scenarios by seed.
#
#   weir_env_sim   the library: base/env.h for many nodes in one thread
#   weir_sim       main.c and every tests/sim/*_scenario.c
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
set(sim_scenarios ${sim_sources})
list(FILTER sim_scenarios INCLUDE REGEX "(_scenario|/main)[.]c$")
list(FILTER sim_sources EXCLUDE REGEX "(_scenario|/main)[.]c$")
add_library(weir_env_sim STATIC ${sim_sources})
target_link_libraries(weir_env_sim PUBLIC weir_base)

add_executable(weir_sim ${sim_scenarios})
target_link_libraries(weir_sim PRIVATE weir_env_sim)
foreach(library weir_broker weir_storage weir_protocol)
  if(TARGET ${library})
    target_link_libraries(weir_sim PRIVATE ${library})
  endif()
endforeach()
