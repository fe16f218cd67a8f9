include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(diffx_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/diffx)

install(TARGETS diffx EXPORT diffx-targets FILE_SET HEADERS FILE_SET adapters)
install(EXPORT diffx-targets NAMESPACE diffx:: DESTINATION ${diffx_package_dir})
if(TARGET diffx_cuda)
  install(TARGETS diffx_cuda EXPORT diffx-cuda-targets FILE_SET HEADERS)
  install(EXPORT diffx-cuda-targets NAMESPACE diffx:: DESTINATION ${diffx_package_dir})
endif()
if(TARGET diffx_torch)
  install(TARGETS diffx_torch EXPORT diffx-torch-targets)
  install(EXPORT diffx-torch-targets NAMESPACE diffx:: DESTINATION ${diffx_package_dir})
endif()

configure_package_config_file(cmake/diffxConfig.cmake.in
  ${PROJECT_BINARY_DIR}/diffxConfig.cmake INSTALL_DESTINATION ${diffx_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/diffxConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/diffxConfig.cmake
              ${PROJECT_BINARY_DIR}/diffxConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/diffxCudaStandard.cmake
        DESTINATION ${diffx_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
