"""Images with drawn masks, in whatever form somebody has them: what segmenters learn from and are measured on."""
