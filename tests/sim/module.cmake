# tests/sim/module.cmake: the simulated world, and weir_sim: scenarios by seed.
#
#   weir_env_sim   the library: base/env.h for many nodes in one thread, trouble, toys; stands on base alone
#   weir_sim       main.c, the scenarios (*_scenario.c) and what they share; sees every module
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
set(sim_program ${sim_sources})
set(sim_library "/(env_sim[^/]*|sim_[^/]*|nemesis|toy_client|toy_server)[.]c$")
list(FILTER sim_sources INCLUDE REGEX ${sim_library})
list(FILTER sim_program EXCLUDE REGEX ${sim_library})
add_library(weir_env_sim STATIC ${sim_sources})
target_link_libraries(weir_env_sim PUBLIC weir_base)

add_executable(weir_sim ${sim_program})
foreach(library weir_env_sim weir_broker weir_storage weir_protocol)
  if(TARGET ${library})
    target_link_libraries(weir_sim PRIVATE ${library})
  endif()
endforeach()
