aloft_program(aloft ${CMAKE_CURRENT_SOURCE_DIR}/aloft.cc aloft_cli)
