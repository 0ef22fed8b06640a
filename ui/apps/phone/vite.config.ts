import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// The page is served at /phone under a policy that allows no inline script or
// style and nothing from elsewhere, so small files must not become data URLs
// and modules must be preloaded by link elements alone.
export default defineConfig({
  base: '/phone/',
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  build: {
    outDir: '../../dist/phone',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    reportCompressedSize: false,
  },
  // For work on the page: npm run dev, beside a sandbox on its usual port.
  server: { proxy: { '/phone/api': 'http://127.0.0.1:8802', '/sandbox': 'http://127.0.0.1:8802' } },
})
